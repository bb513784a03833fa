"""What happened, counted in plain slots and shown at scrape time. Never imported by what it observes."""
