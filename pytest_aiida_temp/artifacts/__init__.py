"""What a failing test leaves behind: a section in its report, and a folder with archive, picture and files."""
