"""Projects: the files that deployments are written in, and the places that their code comes from."""
