// Passes everything through to the platform, so that tests see from outside what an applet sees from inside.
export * from "../../firmware/platform/imports";

/** An assertion that a test can make fail. */
export function refuse(value: i32): i32 {
  assert(value != 0);
  return value;
}
