"""A small firm's summer of 2022, lived through the same jobs that production runs."""
