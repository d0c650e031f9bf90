"""The dashboards as a page: it renders the QuickSight definitions."""
