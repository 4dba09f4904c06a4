"""The models: what chunks and completions are made of."""
