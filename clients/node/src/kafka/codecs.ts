import { promisify } from "node:util";
import * as zlib from "node:zlib";

import kafkajs from "kafkajs";

import { decompressLz4 } from "./lz4.js";

type Decompress = (data: Buffer) => Promise<Buffer>;

/** Node's own zstd, which came with 22.15; undefined before. */
const { zstdDecompress } = zlib as { zstdDecompress?: (data: Buffer, done: (error: Error | null, result: Buffer) => void) => void };

/** Teach kafkajs to read what it cannot by itself, unless the program has done so: LZ4, and zstd where Node can. */
export function addCodecs(): void {
  add(kafkajs.CompressionTypes.LZ4, async (data) => decompressLz4(data));
  if (zstdDecompress) add(kafkajs.CompressionTypes.ZSTD, promisify(zstdDecompress));
}

function add(type: keyof typeof kafkajs.CompressionCodecs, decompress: Decompress): void {
  try {
    kafkajs.CompressionCodecs[type]();
  } catch {
    kafkajs.CompressionCodecs[type] = () => ({ decompress });
  }
}
