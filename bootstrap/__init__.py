"""The project that an administrator runs once, before any pipeline: it makes the identities of the pipelines."""
