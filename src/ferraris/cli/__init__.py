"""The command line: commands only. Each loads its machinery when it runs."""
