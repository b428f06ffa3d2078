"""The steps of the schema, in order; published ones never change."""
