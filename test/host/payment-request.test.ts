import fc from "fast-check";
import jsqr from "jsqr";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../host/crypto.js";
import {
  encodePaymentRequest,
  mismatchOf,
  PAYMENT_REQUEST_CHARS_MAX,
  type PaymentRequest,
  PaymentRequestError,
  parsePaymentRequest,
  qrText,
} from "../../host/payment-request.js";
import { currencyCodes, parseMoney, unitOf } from "../../host/units.js";

const REQUEST: PaymentRequest = {
  address: "wss://shop.example/till?lane=4",
  payee: Uint8Array.from({ length: 16 }, (_, i) => i * 16 + 1),
  money: parseMoney("USD 12.34"),
  memo: "Kaffee & Kuchen, 2×",
  reference: "2027-0042",
};

const BYTES = new TextEncoder();
/** As the first 8 digits of SHA-256, computed here once more. */
function withSum(fields: string): string {
  const digits = Buffer.from(sha256(BYTES.encode(fields))).toString("hex");
  return `${fields}&sum=${digits.slice(0, 8)}`;
}

const memos = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 16 })
  .filter((text) => BYTES.encode(text).length <= 32 && !/[\p{C}\p{Zl}\p{Zp}]/u.test(text));
const requests: fc.Arbitrary<PaymentRequest> = fc.record(
  {
    address: fc
      .tuple(fc.constantFrom("ws", "wss"), fc.webAuthority(), fc.stringMatching(/^\/[a-zA-Z0-9._~%&=?+-]{0,40}$/))
      .map(([scheme, authority, rest]) => `${scheme}://${authority}${rest}`)
      .filter((text) => URL.canParse(text) && !text.includes("@")),
    payee: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    money: fc
      .tuple(fc.bigInt(1n, 2n ** 63n - 1n), fc.constantFrom(...currencyCodes()))
      .map(([amount, code]) => ({ amount, unit: unitOf(code) })),
    memo: memos,
    reference: fc.stringMatching(/^[A-Za-z0-9._-]{1,32}$/),
  },
  { requiredKeys: ["address", "payee", "money", "reference"] },
);

function refusalOf(text: string): string {
  try {
    parsePaymentRequest(text);
  } catch (error) {
    expect(error).toBeInstanceOf(PaymentRequestError);
    expect((error as Error).message).toMatch(/^[A-Z].*\. Nothing was paid\. [A-Z].*\.$/s);
    return (error as Error).message;
  }
  return "";
}

describe("a payment request", () => {
  test("reads as it was written, and looks like this", () => {
    const text = encodePaymentRequest(REQUEST);
    expect(text).toBe(
      withSum(
        "tally:pay?to=wss%3A%2F%2Fshop.example%2Ftill%3Flane%3D4&payee=0111213141516171" +
          "8191a1b1c1d1e1f1&amount=USD12.34&memo=Kaffee%20%26%20Kuchen%2C%202%C3%97&ref=2027-0042",
      ),
    );
    expect(parsePaymentRequest(text)).toEqual(REQUEST);
  });

  test("any request comes back as it was", () => {
    fc.assert(
      fc.property(requests, (request) => {
        expect(parsePaymentRequest(encodePaymentRequest(request))).toEqual(request);
      }),
      { numRuns: 500 },
    );
  });

  test("with any single character altered, left out, doubled or exchanged with the next is refused", () => {
    const text = encodePaymentRequest(REQUEST);
    for (let at = 0; at < text.length; at += 1) {
      const [here = "", next = ""] = [text[at], text[at + 1]];
      const others = [..."0123456789abcdefxyzABCDEFXYZ%&=?:.-_ +\u0000é"].filter((other) => other !== here);
      const altered = others.map((other) => text.slice(0, at) + other + text.slice(at + 1));
      altered.push(text.slice(0, at) + text.slice(at + 1), text.slice(0, at) + here + text.slice(at));
      if (here !== next) altered.push(text.slice(0, at) + next + here + text.slice(at + 2));
      for (const other of altered) if (other !== text) expect(refusalOf(other), other).not.toBe("");
    }
  });

  test("of any kind with any one character altered is refused", () => {
    const changes = fc.tuple(requests, fc.nat(), fc.string({ unit: "binary", minLength: 1, maxLength: 1 }));
    fc.assert(
      fc.property(changes, ([request, place, other]) => {
        const text = encodePaymentRequest(request);
        const at = place % text.length;
        fc.pre(text[at] !== other);
        expect(refusalOf(text.slice(0, at) + other + text.slice(at + 1))).not.toBe("");
      }),
      { numRuns: 500 },
    );
  });

  test("garbage throws nothing but the typed error, even with a checksum that fits", () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary", maxLength: 1_500 }),
      fc.string({ unit: "binary", maxLength: 200 }).map((rest) => `tally:pay?${rest}`),
      fc.string({ unit: "grapheme-ascii", maxLength: 200 }).map((rest) => withSum(`tally:pay?${rest}`)),
      fc
        .array(
          fc.tuple(
            fc.constantFrom("to", "payee", "amount", "memo", "ref", "sum", ""),
            fc.oneof(fc.constantFrom("ws%3A%2F%2Fa", "00".repeat(16), "USD1.00", "x", ""), fc.string()),
          ),
          { maxLength: 8 },
        )
        .map((fields) => withSum(`tally:pay?${fields.map((field) => field.join("=")).join("&")}`)),
    );
    fc.assert(
      fc.property(texts, (text) => {
        if (refusalOf(text) === "") expect(encodePaymentRequest(parsePaymentRequest(text))).toBe(text);
      }),
      { numRuns: 3_000 },
    );
    expect(() => parsePaymentRequest(undefined as unknown as string)).toThrow(TypeError);
  });

  const TO = "to=ws%3A%2F%2Fa";
  const PAYEE = `payee=${"0a".repeat(16)}`;
  test.each<[string, string, RegExp]>([
    ["an unknown field", `${TO}&${PAYEE}&amount=USD1.00&ref=1&tip=2`, /does not know.*Update/],
    ["a field twice", `${TO}&${PAYEE}&amount=USD1.00&amount=USD1.00&ref=1`, /"amount" twice/],
    ["no payee", `${TO}&amount=USD1.00&ref=1`, /no "payee"/],
    ["fields in another order", `${PAYEE}&${TO}&amount=USD1.00&ref=1`, /oddly written/],
    ["another spelling of an escape", `to=ws%3a%2F%2Fa&${PAYEE}&amount=USD1.00&ref=1`, /oddly written/],
    ["another spelling of an amount", `${TO}&${PAYEE}&amount=USD01.00&ref=1`, /oddly written/],
    ["an empty memo", `${TO}&${PAYEE}&amount=USD1.00&memo=&ref=1`, /oddly written/],
    ["an address of the web", `to=https%3A%2F%2Fa&${PAYEE}&amount=USD1.00&ref=1`, /not an address of a line/],
    ["a short payee", `${TO}&payee=0a0a&amount=USD1.00&ref=1`, /32 hexadecimal digits/],
    ["a payee in capitals", `${TO}&payee=${"0A".repeat(16)}&amount=USD1.00&ref=1`, /32 hexadecimal digits/],
    ["no amount at all", `${TO}&${PAYEE}&amount=USD0.00&ref=1`, /amount is nothing/],
    ["an unknown currency", `${TO}&${PAYEE}&amount=XXX1.00&ref=1`, /not a currency/],
    ["too many decimals", `${TO}&${PAYEE}&amount=USD1.001&ref=1`, /more decimals/],
    ["an amount beyond all", `${TO}&${PAYEE}&amount=USD${"9".repeat(24)}&ref=1`, /more than can be paid/],
    ["an amount that is none", `${TO}&${PAYEE}&amount=1.00USD&ref=1`, /none like/],
    ["a long memo", `${TO}&${PAYEE}&amount=USD1.00&memo=${"m".repeat(33)}&ref=1`, /more than 32 bytes/],
    ["a line end in the memo", `${TO}&${PAYEE}&amount=USD1.00&memo=a%0Ab&ref=1`, /cannot be shown/],
    ["a memo that turns round", `${TO}&${PAYEE}&amount=USD1.00&memo=%E2%80%AEa&ref=1`, /cannot be shown/],
    ["an escape that is none", `${TO}&${PAYEE}&amount=USD1.00&memo=%E2%80&ref=1`, /"memo" that cannot be read/],
    ["a strange reference", `${TO}&${PAYEE}&amount=USD1.00&ref=a%20b`, /reference is not/],
  ])("with %s is refused, though its checksum fits", (_name, fields, message) => {
    expect(refusalOf(withSum(`tally:pay?${fields}`))).toMatch(message);
  });

  test("never shows a stranger's control characters", () => {
    const clears = "%1B%5B2J";
    for (const fields of [
      `to=ws%3A%2F%2F${clears}&${PAYEE}&amount=USD1.00&ref=1`,
      `${TO}&${PAYEE}&amount=USD${clears}&ref=1`,
      `${TO}&${PAYEE}&amount=USD1.00&memo=${clears}&ref=1`,
      `${TO}&${PAYEE}&amount=USD1.00&ref=${clears}`,
      `${TO}&${PAYEE}&amount=USD1.00&ref=1&\u001b=1`,
    ]) {
      const message = refusalOf(withSum(`tally:pay?${fields}`));
      expect(message).not.toMatch(/\p{Cc}/u);
    }
  });

  test("says what is wrong with other texts", () => {
    const text = encodePaymentRequest(REQUEST);
    expect(refusalOf("https://shop.example")).toMatch(/not a payment request/);
    expect(refusalOf(text.replace("12.34", "12.43"))).toMatch(/altered or mistyped.*Scan it again/);
    expect(refusalOf(`tally:pay?${"x".repeat(PAYMENT_REQUEST_CHARS_MAX)}`)).toMatch(/too long/);
  });

  test("cannot be made of what could not be paid", () => {
    const bad: [Partial<PaymentRequest>, RegExp][] = [
      [{ address: "http://shop.example" }, /not an address of a line/],
      [{ money: { amount: 0n, unit: unitOf("USD") } }, /amount/],
      [{ money: { amount: 1n, unit: { currency: 840, exponent: 3 } } }, /usual/],
      [{ money: { amount: 1n, unit: { currency: 1, exponent: 2 } } }, /usual/],
      [{ memo: "ü".repeat(17) }, /32 bytes/],
      [{ memo: "\ud800" }, /cannot be shown/],
      [{ reference: "" }, /reference/],
      [{ reference: "x".repeat(33) }, /reference/],
      [{ address: `ws://a/${"%".repeat(500)}` }, /too long/],
    ];
    for (const [change, message] of bad) {
      const make = () => encodePaymentRequest({ ...REQUEST, ...change });
      expect(make, message.source).toThrow(PaymentRequestError);
      expect(make).toThrow(message);
    }
    expect(() => encodePaymentRequest({ ...REQUEST, payee: new Uint8Array(15) })).toThrow(RangeError);
  });

  test("is compared with what the payee's chip asks for", () => {
    const memo = BYTES.encode(REQUEST.memo ?? "");
    const prompt = { peer: REQUEST.payee, money: REQUEST.money, memo };
    expect(mismatchOf(REQUEST, prompt)).toBeUndefined();
    expect(mismatchOf(REQUEST, { ...prompt, peer: new Uint8Array(16) })).toMatch(/another wallet/);
    expect(mismatchOf(REQUEST, { ...prompt, money: parseMoney("USD 12.35") })).toMatch(
      /USD 12.35 instead of USD 12.34/,
    );
    expect(mismatchOf(REQUEST, { ...prompt, money: parseMoney("EUR 12.34") })).toMatch(/EUR 12.34 instead/);
    expect(mismatchOf(REQUEST, { ...prompt, memo: null })).toMatch(/something else/);
  });
});

/** An independent reader's view of the letters on a dark terminal. */
function scan(text: string): string | undefined {
  const scale = 4;
  const lines = text.split("\n").map((line) => [...line]);
  const width = (lines[0]?.length ?? 0) * scale;
  const height = lines.length * 2 * scale;
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const letter = lines[Math.floor(y / scale / 2)]?.[Math.floor(x / scale)];
      const isUpper = Math.floor(y / scale) % 2 === 0;
      const isLight = letter === "█" || letter === (isUpper ? "▀" : "▄");
      pixels.fill(isLight ? 255 : 0, 4 * (y * width + x), 4 * (y * width + x) + 3);
      pixels[4 * (y * width + x) + 3] = 255;
    }
  }
  const read =
    (jsqr as unknown as { default?: typeof jsqr.default }).default ?? (jsqr as unknown as typeof jsqr.default);
  return read(pixels, width, height, { inversionAttempts: "dontInvert" })?.data;
}

describe("a QR code of a request", () => {
  test("is read by another program as what it says, short or long", () => {
    const long = { ...REQUEST, address: `wss://shop.example/${"a".repeat(400)}` };
    for (const request of [REQUEST, long, { ...REQUEST, memo: "x" }]) {
      const uri = encodePaymentRequest(request);
      expect(scan(qrText(uri))).toBe(uri);
    }
  });

  test("has a quiet zone of four modules on all sides, and lines of one length", () => {
    const lines = qrText(encodePaymentRequest(REQUEST)).split("\n");
    const width = [...(lines[0] ?? "")].length;
    for (const line of lines) {
      expect([...line]).toHaveLength(width);
      expect(line).toMatch(/^█{4}.*█{4}$/u);
    }
    for (const line of [...lines.slice(0, 2), ...lines.slice(-2)]) expect(line).toBe("█".repeat(width));
    expect(lines).toHaveLength(Math.ceil(width / 2));
  });
});
