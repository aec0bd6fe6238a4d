import { expect, test } from "vitest";
import { FirmwareAssertion, loadModule, testChip } from "../support/firmware.js";

test.each(["debug", "release"] as const)("a %s module calls the platform on its own memory", async (target) => {
  const { call, write, read, allocate, memory } = await loadModule("platform", testChip("harness"), target);
  expect(memory.buffer.byteLength).toBe(65536);
  const message = write(new TextEncoder().encode("abc"));
  const hash = allocate(32);
  expect(call("sha256", message, 3, hash, 32)).toBe(0);
  expect(Buffer.from(read(hash, 32)).toString("hex")).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});

test("a failed assertion says where it is in a debug module", async () => {
  const { call } = await loadModule("platform");
  expect(() => call("refuse", 0)).toThrow(FirmwareAssertion);
  expect(() => call("refuse", 0)).toThrow(/platform\.module\.ts:\d+:\d+/);
  expect(call("refuse", 7)).toBe(7);
});

test("a failed assertion traps in a release module", async () => {
  const { call } = await loadModule("platform", testChip(), "release");
  expect(() => call("refuse", 0)).toThrow(WebAssembly.RuntimeError);
});

test("a function that is not exported is a mistake in the test", async () => {
  const { call, exports } = await loadModule<{ absent(): number }>("platform");
  expect(() => call("absent")).toThrow(TypeError);
  expect(() => exports.absent()).toThrow(TypeError);
});
