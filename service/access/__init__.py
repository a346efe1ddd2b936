"""Who calls, and what each caller may do: tokens and certificates of a file, roles, and what a method needs."""
