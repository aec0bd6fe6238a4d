import { describe, expect, test } from "vitest";
import { checkPublic, PublicAddressError, publicAddress } from "../../host/communications/address.js";
import { LineAddressError } from "../../host/communications/errors.js";

describe("where others find a server", () => {
  test("is its own address, unless it is said to be another", () => {
    expect(publicAddress("ws://127.0.0.1:4711/", undefined)).toBe("ws://127.0.0.1:4711/");
    expect(publicAddress("ws://0.0.0.0:4711/", "ws://192.0.2.7")).toBe("ws://192.0.2.7:4711/");
    expect(publicAddress("ws://0.0.0.0:4711/", "ws://till.example:80/")).toBe("ws://till.example/");
    expect(publicAddress("ws://0.0.0.0:4711/", "wss://bank.example/counter")).toBe("wss://bank.example/counter");
  });

  test("every interface is nobody's address, and what is none is refused", () => {
    for (const host of ["0.0.0.0", "::", "[::]"]) expect(() => checkPublic({ host })).toThrow(PublicAddressError);
    expect(() => checkPublic({ host: "0.0.0.0", publicUrl: "ws://192.0.2.7" })).not.toThrow();
    expect(() => checkPublic({ host: "192.0.2.7" })).not.toThrow();
    for (const publicUrl of ["http://bank.example", "bank.example", "ws://a b"]) {
      expect(() => checkPublic({ publicUrl })).toThrow(LineAddressError);
    }
  });
});
