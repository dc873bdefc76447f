"""Concrete block types: Amazon S3 and its kin (``blocks.aws``), mail servers (``blocks.mail``)."""
