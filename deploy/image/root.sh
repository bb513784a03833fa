#!/bin/sh
# Assembles the image's root file system in a folder: the interpreter and the shared libraries of the Debian that runs
# this script, and /opt/sidecar. Whatever nothing in it loads stays behind: shell, package manager, locales, manuals.
# What comes from a Debian package is listed in var/lib/dpkg/status.d, where scanners look for it.
#
# usage: root.sh FOLDER
set -eu
root=$1
python=$(python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
stdlib=/usr/lib/$python
owners=$(mktemp)

# Libraries of Debian are named by their place before or after /lib became a link to /usr/lib.
owner() { named "$1" || named "/usr$1" || named "${1#/usr}"; }
named() { dpkg-query -S "$1" 2>/dev/null | grep -v '^diversion '; }

# Everything in it that the kernel or the loader maps.
binaries() { find "$root/usr/bin" "$root$stdlib" "$root/opt" -type f \( -name '*.so*' -o -path '*/bin/python*' \); }

mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/opt" "$root/etc/ssl/certs" "$root/var/lib/dpkg/status.d" "$root/tmp"
chmod 1777 "$root/tmp"
for name in bin lib lib64; do
  if [ -L "/$name" ]; then mkdir -p "$root/usr/$name" && ln -s "usr/$name" "$root/$name"; fi
done

# The interpreter, and what of the standard library could be of use to a proxy. The rest builds, installs, draws, teaches
# or tests; extension modules go that would bring a library of their own (databases, terminals, rare compression).
cp -a "/usr/bin/$python" "$root/usr/bin/"
ln -s "$python" "$root/usr/bin/python3"
cp -a "$stdlib" "$root/usr/lib/"
printf '%s-minimal\nlib%s-minimal\nlib%s-stdlib\n' "$python" "$python" "$python" >"$owners"
(
  cd "$root$stdlib"
  rm -rf config-* LICENSE.txt __phello__ ctypes/test curses dbm distutils ensurepip idlelib lib2to3 pydoc_data \
    sitecustomize.py sqlite3 test tkinter turtle.py turtledemo unittest venv
  cd lib-dynload
  rm -f _bz2.* _crypt.* _curses*.so _dbm.* _gdbm.* _lzma.* _sqlite3.* _test*.so _tkinter.* _uuid.* _xxtestfuzz.* \
    nis.* ossaudiodev.* readline.* xx*.so
)

# The program. Headers and sources of extensions, tests and scripts of its dependencies are no part of it.
cp -a /opt/sidecar "$root/opt/"
find "$root/opt/sidecar/bin" -mindepth 1 ! -name 'python*' ! -name sidecar -delete
rm -rf "$root/opt/sidecar/include" "$root/opt/sidecar/share"
find "$root/opt" "$root$stdlib" -depth \( -name __pycache__ -o -name tests -o -name testdata -o -name _testbase.py \) -exec rm -rf {} +
find "$root/opt" \( -name '*.c' -o -name '*.h' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.pyx' -o -name '*.pyi' \) -delete
binaries | xargs strip --strip-unneeded

# Each library that one of them asks the loader for, and the package it is of.
binaries | while read -r file; do ldd "$file" 2>/dev/null || true; done |
  sed -n -e 's|.* => \(/[^ ]*\) .*|\1|p' -e 's|^\t\(/[^ ]*\) (.*|\1|p' | grep -v '^/opt/' | sort -u |
  while read -r library; do
    mkdir -p "$root${library%/*}"
    cp -L "$library" "$root$library"
    owner "$library" | sed 's/[:,].*//' >>"$owners"
  done

# One store of trust for all: OpenSSL's own default file, and that of requests (the export of traces).
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
trust=$(python3 -c 'import ssl; print(ssl.get_default_verify_paths().openssl_cafile)')
mkdir -p "$root${trust%/*}"
ln -s /etc/ssl/certs/ca-certificates.crt "$root$trust"
find "$root/opt" -path '*/certifi/cacert.pem' -exec ln -sf /etc/ssl/certs/ca-certificates.crt {} \;
echo ca-certificates >>"$owners"

# Who Debian is, and who we are.
cp -L /etc/os-release /etc/debian_version "$root/etc/"
echo base-files >>"$owners"
printf 'root:x:0:0:root:/root:/nonexistent\nsidecar:x:65532:65532:sidecar:/nonexistent:/nonexistent\n' >"$root/etc/passwd"
printf 'root:x:0:\nsidecar:x:65532:\n' >"$root/etc/group"
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"

sort -u "$owners" | while read -r package; do
  dpkg-query -s "$package" >"$root/var/lib/dpkg/status.d/$package"
  mkdir -p "$root/usr/share/doc/$package"
  cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/"
done
rm "$owners"

# The root is read-only: what is compiled is compiled now, and is not compared with its source at each start.
"$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$root" -p / "$root$stdlib" "$root/opt"
