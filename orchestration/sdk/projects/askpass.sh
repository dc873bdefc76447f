#!/bin/sh
# Git asks for a user name and a password; only the host that they are for is told.
case "$1" in
    *"//$ASKPASS_HOST'"* | *"@$ASKPASS_HOST'"*) ;;
    *) exit 1 ;;
esac
case "$1" in
    Username*) printf '%s\n' "$ASKPASS_USER" ;;
    *) printf '%s\n' "$ASKPASS_SECRET" ;;
esac
