"""The pictures of what people see, made from real runs: `python -m benchmarks.pictures NAME`. One module a picture."""
