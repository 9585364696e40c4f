"""The REST face of margin lending. It parses, authorises, calls the services and renders; nothing more."""
