"""Writing an operator's repository. Pure: from choices to text; cli/ writes the files."""
