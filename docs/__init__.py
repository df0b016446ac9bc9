"""The pages of the documentation, and what builds them into a site."""
