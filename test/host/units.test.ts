import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  AMOUNT_MAX,
  AmountError,
  currencyCode,
  currencyCodes,
  formatDecimal,
  formatMoney,
  parseDecimal,
  parseMoney,
  unitOf,
} from "../../host/units.js";

describe("ISO 4217", () => {
  test("every code is one that the platform knows, and no number comes twice", () => {
    const known = new Set(Intl.supportedValuesOf("currency"));
    expect(currencyCodes().filter((code) => !known.has(code))).toEqual([]);
    const numbers = currencyCodes().map((code) => unitOf(code).currency);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.length).toBeGreaterThan(30);
  });

  test("code and number belong together", () => {
    for (const code of currencyCodes()) expect(currencyCode(unitOf(code))).toBe(code);
    expect(unitOf("usd")).toEqual({ currency: 840, exponent: 2 });
    expect(unitOf("JPY").exponent).toBe(0);
    expect(unitOf("KWD").exponent).toBe(3);
    expect(currencyCode({ currency: 7, exponent: 2 })).toBe("007");
  });
});

describe("amounts", () => {
  test("are exact to the last unit over the whole range", () => {
    const exponents = fc.integer({ min: 0, max: 18 });
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: AMOUNT_MAX }), exponents, (amount, exponent) => {
        expect(parseDecimal(formatDecimal(amount, exponent), exponent)).toBe(amount);
      }),
    );
  });

  test("are read on either side of the currency", () => {
    const money = { amount: 1234n, unit: { currency: 840, exponent: 2 } };
    for (const text of ["USD 12.34", "12.34 USD", "usd12.34", " 12.34usd "]) expect(parseMoney(text)).toEqual(money);
    expect(formatMoney(money)).toBe("USD 12.34");
    expect(formatMoney(parseMoney("JPY 500"))).toBe("JPY 500");
    expect(formatMoney(parseMoney("EUR .5"))).toBe("EUR 0.50");
    expect(parseMoney("92233720368547758.07 USD").amount).toBe(AMOUNT_MAX);
  });

  test("that cannot be are refused, and say why", () => {
    expect(() => parseMoney("USD 1.234")).toThrow(/more decimals/);
    expect(() => parseMoney("JPY 1.5")).toThrow(/no decimals/);
    expect(() => parseMoney("92233720368547758.08 USD")).toThrow(/more than can be paid/);
    for (const text of ["", "USD", "12", "USD -1", "USD 1,000.00", "USD .", "1e3 USD", "XXQ 1", "USD 1.2.3"]) {
      expect(() => parseMoney(text)).toThrow(AmountError);
    }
  });
});
