using Xunit;

namespace FailbackWorkflows.Tests.Engine.Expressions;

public sealed class BuiltinTests
{
    [Theory]
    [InlineData("'abc'.charAt(1) + 'abc'.at(-1) + 'abc'.charAt(9)", "\"bc\"")]
    [InlineData("'abc'.includes('bc') && 'abc'.startsWith('ab') && 'abc'.endsWith('bc') && !'abc'.startsWith('b')", "true")]
    [InlineData("'abc'.startsWith('b', 1) && 'abc'.endsWith('b', 2)", "true")]
    [InlineData("['abab'.indexOf('b'), 'abab'.lastIndexOf('b'), 'abab'.indexOf('b', 2), 'abab'.lastIndexOf('b', 2), 'a'.indexOf('x')]", "[1,3,3,1,-1]")]
    [InlineData("['abcd'.slice(-2), 'abcd'.slice(1, -1), 'abcd'.substring(3, 1), 'abcd'.slice(3, 1)]", "[\"cd\",\"bc\",\"bc\",\"\"]")]
    [InlineData("'aB'.toUpperCase() + 'aB'.toLowerCase()", "\"ABab\"")]
    [InlineData("'[' + ' \\u00a0x\\ufeff '.trim() + ' y'.trimStart() + 'z '.trimEnd() + ']'", "\"[xyz]\"")]
    [InlineData("'a,b,,c'.split(',')", "[\"a\",\"b\",\"\",\"c\"]")]
    [InlineData("['ab'.split(''), 'ab'.split(), ''.split(','), ''.split(''), 'a,b,c'.split(',', 2)]", "[[\"a\",\"b\"],[\"ab\"],[\"\"],[],[\"a\",\"b\"]]")]
    [InlineData("['aXbX'.replace('X', '-'), 'aXbX'.replaceAll('X', '[$&$$]'), 'abc'.replace('b', m => m + m), 'ab'.replaceAll('', '_')]", "[\"a-bX\",\"a[X$]b[X$]\",\"abbc\",\"_a_b_\"]")]
    [InlineData("['5'.padStart(3, '0'), 'x'.padEnd(4, 'ab'), 'x'.padStart(1)]", "[\"005\",\"xaba\",\"x\"]")]
    [InlineData("'ab'.repeat(3) + ''.repeat(1000) + 'x'.repeat(0)", "\"ababab\"")]
    [InlineData("'a'.concat(1, null)", "\"a1null\"")]
    [InlineData("['a'.localeCompare('b'), 'b'.localeCompare('a'), 'a'.localeCompare('a')]", "[-1,1,0]")]
    public void Strings(string source, string expected) => ScriptTests.Check(source, expected);

    [Theory]
    [InlineData("[(1.005).toFixed(2), (2.5).toFixed(0), (-2.5).toFixed(0), (0.125).toFixed(2), 1e21.toFixed(2), (10).toFixed(2), (-0.001).toFixed(2)]",
        "[\"1.00\",\"3\",\"-3\",\"0.13\",\"1e+21\",\"10.00\",\"-0.00\"]")]
    [InlineData("[(255).toString(16), (-255).toString(2), (0.5).toString(2), (0.1).toString(3), (123.456).toString(36)]",
        "[\"ff\",\"-11111111\",\"0.1\",\"0.0022002200220022002200220022002201\",\"3f.gez4w97ry\"]")]
    [InlineData("[String(1e21), String(1e-7), String(123456789012345680000), String(0.000001), String(-1.5e-10), String(5e-324), String(1.7976931348623157e308)]",
        "[\"1e+21\",\"1e-7\",\"123456789012345680000\",\"0.000001\",\"-1.5e-10\",\"5e-324\",\"1.7976931348623157e+308\"]")]
    [InlineData("[String(100), String(-0), String(NaN), String(-Infinity), String(1/3), String(12345.678)]",
        "[\"100\",\"0\",\"NaN\",\"-Infinity\",\"0.3333333333333333\",\"12345.678\"]")]
    [InlineData("[parseInt('42px'), parseInt('0x1f'), parseInt('z', 36), parseInt('-7'), parseInt('x'), parseFloat('3.14abc'), parseFloat('.5'), parseFloat('-1e3x')]",
        "[42,31,35,-7,null,3.14,0.5,-1000]")]
    [InlineData("[Number('1e3'), Number(true), Number(null), Number(undefined), Number('1 2'), Number([]), Number('5.')]", "[1000,1,0,null,null,0,5]")]
    [InlineData("[Number.isInteger(5), Number.isInteger(5.5), Number.isInteger('5'), Number.isFinite(1/0), Number.isNaN(NaN), isNaN('x'), isFinite('5')]",
        "[true,false,false,false,true,true,true]")]
    [InlineData("[Math.round(2.5), Math.round(-2.5), Math.round(0.49999999999999994), Math.trunc(-1.7), Math.sign(-3), Math.ceil(1.2), Math.floor(-1.2), Math.abs(-2)]",
        "[3,-2,0,-1,-1,2,-2,2]")]
    [InlineData("[Math.max(), Math.min(1, NaN), Math.max(1, '7'), Math.pow(2, 10), Math.sqrt(9)]", "[null,null,7,1024,3]")]
    public void Numbers(string source, string expected) => ScriptTests.Check(source, expected);

    [Theory]
    [InlineData("[1, 2, 3].map((x, i) => x * i)", "[0,2,6]")]
    [InlineData("variables.Items.filter(x => x > 1)", "[3,2]")]
    [InlineData("[[1, 2].find(x => x > 1), [1].find(x => x > 1), [1, 2].findIndex(x => x > 1), [1, 2].some(x => x > 1), [1, 2].every(x => x > 1)]", "[2,null,1,true,false]")]
    [InlineData("[[1, 2, 3].reduce((a, x) => a + x), [1, 2].reduce((a, x) => a + x, '')]", "[6,\"12\"]")]
    [InlineData("[[1, [2, [3]]].flat(), [1, [2, [3]]].flat(Infinity), [1, 2].flatMap(x => [x, x])]", "[[1,2,[3]],[1,2,3],[1,1,2,2]]")]
    [InlineData("[[NaN].includes(NaN), [NaN].indexOf(NaN), [1, 2, 1].lastIndexOf(1), ['1'].includes(1)]", "[true,-1,2,false]")]
    [InlineData("[[1, null, undefined, 'a'].join('-'), [1, 2].join(), [].join()]", "[\"1---a\",\"1,2\",\"\"]")]
    [InlineData("[[1, 2, 3].slice(-2), [1].concat(2, [3]), [1, 2].at(-1), [1, 2].at(5)]", "[[2,3],[1,2,3],2,null]")]
    [InlineData("[[10, 9, 1].sort(), [10, 9, 1].sort((a, b) => a - b), [undefined, 'b', null, 'a'].sort()]", "[[1,10,9],[1,9,10],[\"a\",\"b\",null,null]]")]
    [InlineData("[{ k: 1, v: 'a' }, { k: 0, v: 'b' }, { k: 1, v: 'c' }, { k: 0, v: 'd' }].sort((a, b) => a.k - b.k).map(x => x.v).join('')", "\"bdac\"")]
    [InlineData("const a = [3, 1]; const b = a.sort(); const c = a.reverse(); [a, b, c]", "[[3,1],[1,3],[1,3]]")]
    [InlineData("[Array.isArray([]), Array.isArray({}), Array.from({ length: 3 }, (_, i) => i * 2), Array.from('ab')]", "[true,false,[0,2,4],[\"a\",\"b\"]]")]
    [InlineData("['1', '2', '3'].map(Number)", "[1,2,3]")]
    [InlineData("[0, 1, '', 'a'].filter(Boolean)", "[1,\"a\"]")]
    [InlineData("['1', '2', '3'].map(parseInt)", "[1,null,null]")]
    public void Arrays(string source, string expected) => ScriptTests.Check(source, expected);

    [Theory]
    [InlineData("[Object.keys({ a: 1 }), Object.values({ a: 1 }), Object.entries({ a: 1 }), Object.keys('ab')]", "[[\"a\"],[1],[[\"a\",1]],[\"0\",\"1\"]]")]
    [InlineData("Object.fromEntries([['a', 1], ['b', 2]])", "{\"a\":1,\"b\":2}")]
    [InlineData("const a = { x: 1 }; const b = Object.assign(a, { y: 2 }); [a, b]", "[{\"x\":1},{\"x\":1,\"y\":2}]")]
    [InlineData("JSON.stringify({ a: undefined, b: [undefined, NaN, '\\n\"\\u0001é'], c: new Date(0) })",
        "\"{\\\"b\\\":[null,null,\\\"\\\\n\\\\\\\"\\\\u0001é\\\"],\\\"c\\\":\\\"1970-01-01T00:00:00.000Z\\\"}\"")]
    [InlineData("JSON.stringify([1, {}, [], { a: 1 }], null, 1)", "\"[\\n 1,\\n {},\\n [],\\n {\\n  \\\"a\\\": 1\\n }\\n]\"")]
    [InlineData("JSON.stringify(undefined)", "null")]
    [InlineData("JSON.parse(' {\"a\": [true, false, null, -1.5e2, \"\\\\u0041\\\\n\"]} ').a", "[true,false,null,-150,\"A\\n\"]")]
    public void ObjectsAndJson(string source, string expected) => ScriptTests.Check(source, expected);

    [Theory]
    [InlineData("new Date('2024-02-29T12:34:56.789Z').getTime()", "1709210096789")]
    [InlineData("new Date('2024-02-29T12:34:56.7891234+02:00').toISOString()", "\"2024-02-29T10:34:56.789Z\"")]
    [InlineData("new Date('2024-01-02T03:04').toISOString()", "\"2024-01-02T03:04:00.000Z\"")]
    [InlineData("const d = new Date('2024-02-29T12:34:56.789Z'); [d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCDay(), d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds(), d.getUTCMilliseconds()]",
        "[2024,1,29,4,12,34,56,789]")]
    [InlineData("new Date(-1)", "\"1969-12-31T23:59:59.999Z\"")]
    [InlineData("new Date('2024-01-02') - new Date('2024-01-01')", "86400000")]
    [InlineData("new Date(1) < new Date(2) && new Date(5) > 4", "true")]
    [InlineData("[new Date('nope').getTime(), new Date('2023-02-29').getTime(), Date.parse('1970-01-01'), new Date('x')]", "[null,null,0,null]")]
    [InlineData("[new Date(new Date(5)).getTime(), new Date([]).getTime(), new Date(null).getTime()]", "[5,null,0]")]
    [InlineData("new Date(8.64e15).toISOString()", "\"+275760-09-13T00:00:00.000Z\"")]
    public void Dates(string source, string expected) => ScriptTests.Check(source, expected);
}
