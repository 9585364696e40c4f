"""The room's checks for `manage.py audit`."""
