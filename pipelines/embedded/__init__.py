"""What the job talks to when nobody has given it a bucket and a mailbox: real servers that end with the job."""
