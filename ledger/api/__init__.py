"""The REST face of the book: read-only, because rooms above post through their own commands."""
