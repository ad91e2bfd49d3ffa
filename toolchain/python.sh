# `su` without `-` leaves out the directories of the programs that root runs.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

# Sets $python to a Python that is new enough. On a Debian without one, root installs it.
python=
for name in python3 python3.14 python3.13 python3.12 python3.11; do
  if command -v $name >/dev/null 2>&1 && $name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$name
    break
  fi
done
if [ -z "$python" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -q >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3 python3-venv >&2
  python=python3
fi
if [ -z "$python" ]; then
  echo "Python 3.11 or newer is missing. Next: install python3 and python3-venv, then run this again." >&2
  exit 1
fi
