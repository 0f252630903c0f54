"""The words of the field as values; imports nothing from the other rooms."""
