/** Reports and messages of CTAPHID as a test writes and reads them, without the code that it tests. */

const REPORT_BYTES = 64;

export interface Frame {
  readonly channel: number;
  readonly command: number;
  readonly data: readonly number[];
}

function bytesOf(channel: number): number[] {
  return [24, 16, 8, 0].map((shift) => (channel >>> shift) & 0xff);
}

function report(...bytes: readonly number[]): Uint8Array {
  const whole = new Uint8Array(REPORT_BYTES);
  whole.set(bytes.slice(0, REPORT_BYTES));
  return whole;
}

/** An initialization packet that announces `length` bytes, whatever data is in it. */
export function initialization(
  channel: number,
  command: number,
  data: ArrayLike<number> = [],
  length = data.length,
): Uint8Array {
  return report(...bytesOf(channel), command | 0x80, length >> 8, length & 0xff, ...Array.from(data));
}

export function continuation(channel: number, sequence: number, data: ArrayLike<number> = []): Uint8Array {
  return report(...bytesOf(channel), sequence, ...Array.from(data));
}

/** A whole message. */
export function reportsOf(channel: number, command: number, data: ArrayLike<number> = []): Uint8Array[] {
  const bytes = Array.from(data);
  const reports = [initialization(channel, command, bytes.splice(0, 57), data.length)];
  for (let sequence = 0; bytes.length > 0; sequence += 1) {
    reports.push(continuation(channel, sequence, bytes.splice(0, 59)));
  }
  return reports;
}

/** The messages in reports of a device that sends each without a gap, and frames of one report between two of another. */
export function framesIn(reports: readonly Uint8Array[]): Frame[] {
  const frames: { channel: number; command: number; data: number[]; length: number; sequence: number }[] = [];
  for (const each of reports) {
    const [a = 0, b = 0, c = 0, d = 0, fifth = 0, high = 0, low = 0] = each;
    const channel = (a << 24) | (b << 16) | (c << 8) | d;
    if ((fifth & 0x80) !== 0) {
      const length = (high << 8) | low;
      const data = Array.from(each.subarray(7, 7 + Math.min(length, 57)));
      frames.push({ channel, command: fifth & 0x7f, data, length, sequence: 0 });
      continue;
    }
    const open = frames.find((frame) => frame.channel === channel && frame.data.length < frame.length);
    if (open === undefined || open.sequence !== fifth) throw new Error(`a report of sequence ${fifth} out of order`);
    open.data.push(...each.subarray(5, 5 + Math.min(open.length - open.data.length, 59)));
    open.sequence += 1;
  }
  for (const { data, length } of frames) if (data.length !== length) throw new Error("a message is not complete");
  return frames.map(({ channel, command, data }) => ({ channel, command, data }));
}
