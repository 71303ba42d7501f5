"""The gateway: master catalogue, ingest of journals, snapshots, the staff pages."""
