#!/usr/bin/env bash
# Makes a relocatable tarball and a Debian package from a finished build.   deploy/package.sh BUILD OUT
#   atrium-VERSION-linux-ARCH.tar.gz   bin/, lib/atrium/ (with every library except glibc and OpenSSL, which the system keeps
#                                      patched), share/; runs from wherever it is unpacked
#   atrium_VERSION_ARCH.deb            the same program on this distribution's libraries, and a systemd unit
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 out=$2
version=$("$build/bin/atrium" version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -1)
arch=$(dpkg --print-architecture)
machine=$(uname -m)
llama=third_party/.cache/llama/lib
mkdir -p "$out"
out=$(realpath "$out")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf 'dist: %s\n' "$*"; }

# lay_out ROOT LIBDIR: what both packages share. The module finds libllama, and libllama its parts, beside itself.
lay_out() {
  local root=$1
  mkdir -p "$root/bin" "$root/lib/atrium" "$root/share/atrium" "$root/share/doc/atrium"
  install -m 755 "$build/bin/atrium" "$root/bin/atrium"
  install -m 644 "$build"/lib/*.so "$root/lib/atrium/"
  install -m 644 "$llama"/*.so "$root/lib/atrium/"
  cp -r examples/knowledge "$root/share/atrium/knowledge"
  install -m 644 LICENSE "$root/share/doc/atrium/LICENSE"
  install -m 644 third_party/.cache/llama/src/LICENSE "$root/share/doc/atrium/LICENSE.llama.cpp"
  python3 tools/licenses.py > "$root/share/doc/atrium/licenses.txt"
  local file
  for file in "$root/bin/atrium" "$root"/lib/atrium/*.so; do strip --strip-unneeded "$file" 2>/dev/null || true; done
  for file in "$root"/lib/atrium/*.so; do patchelf --set-rpath '$ORIGIN' "$file"; done
}

# Libraries the program needs at run time: "name path" per line.
needed() { ldd "$1" | awk '$3 ~ /^\// { print $1, $3 }'; }

say "laying out the tarball"
name=atrium-$version-linux-$machine
root=$work/$name
lay_out "$root"
patchelf --set-rpath '$ORIGIN/../lib/atrium' "$root/bin/atrium"
for binary in "$build/bin/atrium" "$build"/lib/*.so; do
  needed "$binary" | while read -r library path; do
    case $library in
      ld-linux*|libc.so*|libm.so*|libdl.so*|libpthread.so*|librt.so*|libresolv.so*|libssl.so*|libcrypto.so*) continue ;;
    esac
    [ -e "$root/lib/atrium/$library" ] && continue
    install -m 644 "$(realpath "$path")" "$root/lib/atrium/$library"
    patchelf --set-rpath '$ORIGIN' "$root/lib/atrium/$library"
  done
done
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -czf "$out/$name.tar.gz" "$name"
say "$out/$name.tar.gz ($(du -h "$out/$name.tar.gz" | cut -f1))"

say "laying out the Debian package"
deb=$work/deb
lay_out "$deb/usr"
patchelf --remove-rpath "$deb/usr/bin/atrium"
mkdir -p "$deb/DEBIAN" "$deb/lib/systemd/system"
install -m 644 deploy/systemd/atrium.service "$deb/lib/systemd/system/atrium.service"
# Only what is linked directly: the libraries' own packages know their dependencies.
depends=$(for binary in "$build/bin/atrium" "$build"/lib/*.so; do
    direct=$(patchelf --print-needed "$binary")
    needed "$binary" | while read -r library path; do grep -qxF "$library" <<<"$direct" && echo "$path" || true; done
  done | grep -v "/$llama/" | sort -u |
  while read -r path; do
    dpkg-query -S "$path" 2>/dev/null || dpkg-query -S "$(realpath "$path")" 2>/dev/null || dpkg-query -S "/usr$path" 2>/dev/null || true
  done | sed 's/:.*//' | sort -u | paste -sd, | sed 's/,/, /g')
cat > "$deb/DEBIAN/control" <<CONTROL
Package: atrium
Version: $version
Architecture: $arch
Maintainer: Atrium developers <atrium@localhost>
Section: net
Priority: optional
Depends: $depends, poppler-utils, ca-certificates
Recommends: python3-pip
Installed-Size: $(du -sk "$deb/usr" | cut -f1)
Description: self-hosted AI platform
 Gateway, model server, knowledge base and web console in one program.
 Speaks the OpenAI API, serves local models, answers from your own documents
 with citations.
CONTROL
dpkg-deb --root-owner-group --build -Zxz "$deb" "$out/atrium_${version}_$arch.deb" >/dev/null
say "$out/atrium_${version}_$arch.deb ($(du -h "$out/atrium_${version}_$arch.deb" | cut -f1))"
