#!/usr/bin/env bash
# hyparquet 1.33.0 gives the pictures of a Parquet file as text, decoded as UTF-8, with every byte that is no UTF-8 lost.
# Expected: bytes. pyarrow declares the column `binary`, a BYTE_ARRAY without a logical type, which the Parquet format defines as arbitrary bytes; only
# the type STRING (or UTF8) says that bytes are text, and hyparquet knows that type.
# Seen: by default the bytes 89 50 4E 47 FF D8 come back as a string in which 89, FF and D8 are U+FFFD; nothing is thrown. With `utf8: false` they are
# bytes. Binary of a fixed length is bytes either way.
# Why it matters: Hugging Face's `datasets` stores the files of an Image column so, in a struct of bytes and path. Read with the defaults, no
# picture of such a data set can be decoded, and which bytes there were cannot be told any more.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pyarrow==25.0.1 2>/dev/null
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts hyparquet@1.33.0
cat >make.py <<'PY'
import pyarrow, pyarrow.parquet
data = bytes.fromhex('89504e47ffd8')
picture = pyarrow.array([{'bytes': data, 'path': 'a.png'}], pyarrow.struct([('bytes', pyarrow.binary()), ('path', pyarrow.string())]))
fixed = pyarrow.array([data], pyarrow.binary(len(data)))
pyarrow.parquet.write_table(pyarrow.table({'image': picture, 'fixed': fixed}), 'rows.parquet')
row = pyarrow.parquet.read_table('rows.parquet').to_pylist()[0]
print('pyarrow                 ', row['image']['bytes'].hex(), row['fixed'].hex(), row['image']['path'])
PY
env/bin/python make.py
cat >show.mjs <<'JS'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
const shown = (value) => (typeof value === 'string' ? JSON.stringify(value) : Buffer.from(value).toString('hex'));
const read = async (options) => {
  const [row] = await parquetReadObjects({ file: await asyncBufferFromFile('rows.parquet'), ...options });
  return `${shown(row.image.bytes)} ${shown(row.fixed)} ${row.image.path}`;
};
const [plain, asked] = [await read({}), await read({ utf8: false })];
console.log(`hyparquet               ${plain}\nhyparquet, utf8: false  ${asked}`);
const holds = plain === '"\ufffdPNG\ufffd\ufffd" 89504e47ffd8 a.png' && asked === '89504e47ffd8 89504e47ffd8 a.png';
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
