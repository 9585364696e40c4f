"""What every REST face stands on.

Callers and their firm (`callers`), views that cannot forget whose rows they show (`views`), commands that
happen once per `Idempotency-Key` (`idempotent`), exact fields (`fields`), errors as problem+json
(`problems`), pages by cursor (`pagination`) and the shape of the published schema (`schema`).
"""
