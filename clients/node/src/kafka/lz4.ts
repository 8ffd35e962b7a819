// LZ4 frames, which kafkajs cannot read by itself, and which `watcherctl init` chooses for the topics.
// Format: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and lz4_Block_format.md

const MAGIC = 0x184d2204;
const HAS_DICTIONARY = 0x01;
const HAS_CONTENT_CHECKSUM = 0x04;
const HAS_CONTENT_SIZE = 0x08;
const HAS_BLOCK_CHECKSUMS = 0x10;
const UNCOMPRESSED = 0x80000000;
/** Length in a token that goes on in the bytes that follow. */
const LONG = 15;
const SHORTEST_MATCH = 4;

/** Return what the frames hold. Throws an Error if they are damaged; checksums are left to Kafka's own. */
export function decompressLz4(frames: Buffer): Buffer {
  const output = new Output(frames.length * 4);
  for (let at = 0; at < frames.length;) at = readFrame(frames, at, output);
  return output.content;
}

/** Read one frame, and return where the next one begins. */
function readFrame(data: Buffer, start: number, output: Output): number {
  if (data.readUInt32LE(start) !== MAGIC) throw new Error("not an LZ4 frame");
  const flags = data[start + 4]!;
  let at = start + 7 + (flags & HAS_CONTENT_SIZE ? 8 : 0) + (flags & HAS_DICTIONARY ? 4 : 0);
  for (;;) {
    const head = data.readUInt32LE(at);
    const size = head % UNCOMPRESSED;
    at += 4;
    if (size === 0) return at + (flags & HAS_CONTENT_CHECKSUM ? 4 : 0);
    const block = data.subarray(at, at + size);
    if (block.length !== size) throw new Error("an LZ4 block ends too early");
    if (head >= UNCOMPRESSED) output.append(block);
    else readBlock(block, output);
    at += size + (flags & HAS_BLOCK_CHECKSUMS ? 4 : 0);
  }
}

function readBlock(block: Buffer, output: Output): void {
  let at = 0;
  const longer = (length: number): number => {
    if (length < LONG) return length;
    let byte: number;
    do {
      byte = block.readUInt8(at++);
      length += byte;
    } while (byte === 255);
    return length;
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = longer(token >> 4);
    if (at + literals > block.length) throw new Error("an LZ4 block ends too early");
    output.append(block.subarray(at, at + literals));
    at += literals;
    if (at === block.length) return; // the last sequence has no match
    const distance = block.readUInt16LE(at);
    at += 2;
    output.repeat(distance, longer(token & LONG) + SHORTEST_MATCH);
  }
}

/** Buffer that grows. */
class Output {
  #bytes: Buffer;
  #length = 0;

  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafe(Math.max(size, 1024));
  }

  get content(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  append(bytes: Buffer): void {
    this.#reserve(bytes.length);
    this.#length += bytes.copy(this.#bytes, this.#length);
  }

  /** Append what stands `distance` bytes before the end; it may overlap with what is appended. */
  repeat(distance: number, count: number): void {
    if (distance === 0 || distance > this.#length) throw new Error("an LZ4 match lies before the beginning");
    this.#reserve(count);
    const from = this.#length - distance;
    if (distance >= count) {
      this.#bytes.copyWithin(this.#length, from, from + count);
    } else {
      for (let index = 0; index < count; index++) this.#bytes[this.#length + index] = this.#bytes[from + index]!;
    }
    this.#length += count;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + count));
    this.content.copy(larger);
    this.#bytes = larger;
  }
}
