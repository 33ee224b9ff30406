//! Exact figures from recordings: text, JSON, Markdown, CSV.
