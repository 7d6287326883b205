"""The commands, a file each. They parse and print; they compute nothing."""
