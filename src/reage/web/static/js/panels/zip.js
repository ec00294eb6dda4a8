// Files as one ZIP, stored as they are: photos are compressed already.
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k += 1) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n >>> 0;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

// Numbers of two or four bytes, little end first.
function record(...fields) {
  const bytes = [];
  for (const [value, size] of fields) for (let i = 0; i < size; i += 1) bytes.push((value / 2 ** (8 * i)) & 0xff);
  return new Uint8Array(bytes);
}

export async function zipped(files, name) {
  const parts = [], directory = [];
  let offset = 0;
  for (const file of files) {
    const path = new TextEncoder().encode(file.webkitRelativePath || file.name), crc = crc32(new Uint8Array(await file.arrayBuffer()));
    // Version 2.0, names in UTF-8, stored, 1 January 1980.
    const facts = [[20, 2], [0x800, 2], [0, 2], [0, 2], [33, 2], [crc, 4], [file.size, 4], [file.size, 4], [path.length, 2], [0, 2]];
    const local = record([0x04034b50, 4], ...facts);
    parts.push(local, path, file);
    directory.push(record([0x02014b50, 4], [20, 2], ...facts, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]), path);
    offset += local.length + path.length + file.size;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record([0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [size, 4], [offset, 4], [0, 2]);
  return new File([...parts, ...directory, end], name, { type: "application/zip" });
}
