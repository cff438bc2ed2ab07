/** Numbers as the server writes them: four significant digits, powers of ten for the very large and very small. */

const DIGITS = 4;

/** @param {number | null | undefined} value */
export function formatValue(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return value.toString().replace("-", "−");
  const inPowers = value.toExponential(DIGITS - 1);
  const size = Math.abs(Number(inPowers)); // rounded, as it may have a digit more then
  if (size < 1e-4 || Math.round(Math.abs(value)) >= 1e6) {
    const [mantissa, exponent] = inPowers.split("e");
    return `${Number(mantissa)}e${Number(exponent)}`.replaceAll("-", "−");
  }
  return (size >= 10 ** DIGITS ? value.toFixed(0) : value.toPrecision(DIGITS)).replace("-", "−");
}
