#!/usr/bin/env bash
# hyparquet-compressors 1.1.2 (with hyparquet 1.33.0) calls a Parquet file of pyarrow broken where it is packed with LZ4 and a column has nothing but nulls.
# Expected: the rows, as with Snappy, Zstandard, gzip and Brotli. An LZ4 block of no bytes is the one byte 00; pyarrow writes it for the empty dictionary
# of such a column, and LZ4's own library, which is in pyarrow, gives no bytes for it.
# Seen: "lz4 offset out of range 0": after a token without literals the decoder looks for a match, though the block ends there. One row group whose
# column is null is enough; one value in the group, or writing without dictionaries, and the file is read.
# Why it matters: optional columns of conversations (tools, system, images) are null throughout in many shards. Such a shard is refused as damaged, in the
# middle of a run where only a later row group is concerned, and the message leads to looking for a torn download.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pyarrow==25.0.1 2>/dev/null
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts hyparquet@1.33.0 hyparquet-compressors@1.1.2
cat >make.py <<'PY'
import pyarrow
from pyarrow import parquet
block = pyarrow.compress(b'', codec='lz4_raw', asbytes=True)
print('an LZ4 block of no bytes:', block.hex(), '->', pyarrow.decompress(block, 0, codec='lz4_raw', asbytes=True))
def write(name, tools, **options):
    table = pyarrow.table({'text': ['a', 'b', 'c', 'd'], 'tools': pyarrow.array(tools, pyarrow.string())})
    parquet.write_table(table, f'{name}.parquet', **options)
    assert parquet.read_table(f'{name}.parquet').equals(table)
for codec in ('snappy', 'zstd', 'gzip', 'brotli', 'lz4'):
    write(codec, [None] * 4, compression=codec)
write('lz4, a value', [None, None, None, 'x'], compression='lz4')
write('lz4, a value, two groups', [None, None, None, 'x'], compression='lz4', row_group_size=2)
write('lz4, no dictionary', [None] * 4, compression='lz4', use_dictionary=False)
PY
env/bin/python make.py
cat >show.mjs <<'JS'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
let holds = true;
for (const name of ['snappy', 'zstd', 'gzip', 'brotli', 'lz4', 'lz4, a value', 'lz4, a value, two groups', 'lz4, no dictionary']) {
  const file = await asyncBufferFromFile(`${name}.parquet`);
  const shown = (found) => found.map(({ text, tools }) => `${text} ${tools}`).join(', ');
  const seen = await parquetReadObjects({ file, compressors }).then(shown, (error) => error.message);
  const rows = `a null, b null, c null, d ${name.includes('value') ? 'x' : 'null'}`;
  console.log(`${name.padEnd(26)} expected ${rows}  seen ${seen === rows ? 'the same' : seen}`);
  holds &&= seen === (['lz4', 'lz4, a value, two groups'].includes(name) ? 'lz4 offset out of range 0' : rows);
}
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
