"""HTML pages: each module renders one from data that a stage has gathered. No AWS here."""
