"""Stage review: look at videos, correct their labels, merge the corrections, learn again."""
