"""The words' emotion: a small sentence network fine-tuned on written English."""
