"""The spectral encoder: a CED-type transformer that streams, taught by YAMNet."""
