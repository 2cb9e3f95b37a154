"""The practice web: drawn scenes on flawed pages, with the truth about what should survive."""
