"""What every page of Handful is laid out with: words, figures, pictures, one style; a page is one HTML file."""
