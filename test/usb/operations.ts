/** Anything that may be done to a device: good messages, garbage, time. */

import fc from "fast-check";
import { continuation, initialization, reportsOf } from "./reports.js";

export type Operation =
  | { readonly kind: "report"; readonly after_ms: number; readonly report: Uint8Array }
  | { readonly kind: "tick"; readonly after_ms: number }
  | { readonly kind: "begin"; readonly after_ms: number }
  | { readonly kind: "answer"; readonly after_ms: number; readonly length: number };

const channels = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 3 }) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 12 }) },
  { weight: 3, arbitrary: fc.constant(-1) },
  { weight: 1, arbitrary: fc.integer({ min: -0x80000000, max: 0x7fffffff }) },
);
const commands = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0x01, 0x03, 0x04, 0x06, 0x11, 0x40) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 127 }) },
);
const lengths = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 8, 57, 58, 116, 117, 200) },
  { weight: 1, arbitrary: fc.constantFrom(7608, 7609, 7610, 65_535) },
);
const delays = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(0, 1) },
  { weight: 3, arbitrary: fc.constantFrom(50, 99, 100, 101, 499, 500, 501) },
  { weight: 1, arbitrary: fc.constantFrom(999, 1000, 2000, 10_000, 20_000) },
);
const short = fc.uint8Array({ minLength: 1, maxLength: 57 });

const report = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(channels, commands, short, lengths).map((parts) => initialization(...parts)) },
  { weight: 4, arbitrary: fc.tuple(channels, fc.integer({ min: 0, max: 3 }), short).map((p) => continuation(...p)) },
  { weight: 1, arbitrary: fc.tuple(channels, fc.integer({ min: 0, max: 127 }), short).map((p) => continuation(...p)) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 0, maxLength: 70 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 64, maxLength: 64 }) },
);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("report" as const), after_ms: delays, report }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("tick" as const), after_ms: delays }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("begin" as const), after_ms: delays }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("answer" as const), after_ms: delays, length: fc.nat({ max: 300 }) }),
  },
);

const asReports = (reports: readonly Uint8Array[], after_ms = 0): Operation[] =>
  reports.map((each) => ({ kind: "report", after_ms, report: each }));
const hello = asReports([initialization(-1, 6, [1, 2, 3, 4, 5, 6, 7, 8])]);
/** How far the reports of one message are apart. */
const paces = fc.constantFrom(0, 0, 0, 300);
const message = fc
  .tuple(
    fc.integer({ min: 1, max: 3 }),
    fc.constantFrom(1, 3, 3, 4, 0x40),
    fc.uint8Array({ maxLength: 300, size: "max" }),
    paces,
  )
  .map(([channel, command, data, pace_ms]) => {
    if (command === 4) return asReports([initialization(channel, 4, [(data[0] ?? 0) % 12])]);
    return asReports(reportsOf(channel, command, command === 0x40 ? [] : data), pace_ms);
  });

/** Two channels at least, and then whatever comes. */
export const operations: fc.Arbitrary<Operation[]> = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: operation.map((each) => [each]) },
      { weight: 3, arbitrary: message },
      { weight: 1, arbitrary: fc.constant(hello) },
    ),
    { maxLength: 40, size: "max" },
  )
  .map((parts) => [...hello, ...hello, ...parts.flat()]);
