import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { junitXml } from './junit.ts'
import { reportsOfEveryKind } from './report.fixture.ts'
import type { ReplayReport } from './report.ts'

let reports: Record<string, ReplayReport>

before(async () => {
  reports = await reportsOfEveryKind()
})

test('a rule is a suite, a type a case, and what failed of it is told by its causes', () => {
  const { failing } = reports
  const startedAt = '2026-01-02T03:04:05.678Z'
  const xml = junitXml({ ...failing!, seconds: 1.5, startedAt })
  assert.equal(
    xml,
    `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="backstory replay" tests="6" failures="2" errors="0" skipped="3" time="1.500">
  <testsuite name="replay" tests="2" failures="1" errors="0" skipped="0" time="1.500" timestamp="2026-01-02T03:04:05">
    <properties>
      <property name="run" value="r1"/>
      <property name="pass" value="1"/>
      <property name="source" value="a list"/>
      <property name="read" value="14"/>
      <property name="picked" value="13"/>
      <property name="checksum" value="${failing!.checksum}"/>
    </properties>
    <testcase name="comes to its end" classname="replay" time="0"/>
    <testcase name="reads every event" classname="replay" time="0">
      <failure message="1 that is no JSON" type="REPLAY_EVENT_UNREADABLE">1 refused REPLAY_EVENT_UNREADABLE: event 13 is no JSON: Unexpected token 'o', &quot;no JSON&quot; is not valid JSON (such as event 13)</failure>
    </testcase>
  </testsuite>
  <testsuite name="cars" tests="1" failures="1" errors="0" skipped="0" time="1.500" timestamp="2026-01-02T03:04:05">
    <properties>
      <property name="action" value="a list"/>
      <property name="matched" value="6"/>
      <property name="acted" value="0"/>
      <property name="skipped" value="0"/>
      <property name="failed" value="3"/>
      <property name="held" value="3"/>
    </properties>
    <testcase name="order.placed" classname="cars" time="0">
      <failure message="3 failed and 3 held of 6" type="REPLAY_EVENT_HELD">3 held REPLAY_EVENT_HELD: waits behind a failed event of its key k0 (such as event 7; event 9; event 11)
1 refused 429: slow &quot;down&quot; &amp; &lt;wait&gt; (such as event 1)
1 refused REPLAY_EVENT_REFUSED: no price (such as event 3)
1 refused 23505: the key is there\ufffd (such as event 5)</failure>
    </testcase>
  </testsuite>
  <testsuite name="all" tests="3" failures="0" errors="0" skipped="3" time="1.500" timestamp="2026-01-02T03:04:05">
    <properties>
      <property name="action" value="a list"/>
      <property name="matched" value="13"/>
      <property name="acted" value="0"/>
      <property name="skipped" value="13"/>
      <property name="failed" value="0"/>
      <property name="held" value="0"/>
    </properties>
    <testcase name="order.placed" classname="all" time="0">
      <skipped/>
    </testcase>
    <testcase name="order.&lt;shipped&gt;" classname="all" time="0">
      <skipped/>
    </testcase>
    <testcase name="(no type)" classname="all" time="0">
      <skipped/>
    </testcase>
  </testsuite>
</testsuites>
`,
  )
})

test('a run that did not come to its end is an error', () => {
  for (const [kind, reason] of [
    ['interrupted', 'It was told to end, after 12 events'],
    ['too many failures', 'Too many events failed, after 3 events'],
    ['broken', 'no &quot;bug&quot;, after 12 events'],
  ] as const) {
    const xml = junitXml(reports[kind]!)
    assert.match(xml, / errors="1" /)
    assert.ok(xml.includes(`<error message="${reason}"`), xml)
  }
})

test('a run without an event has the cases of the run', () => {
  assert.match(
    junitXml(reports.nothing!),
    /<testsuites name="backstory replay" tests="2" failures="0" errors="0"/,
  )
})

test('names that XML cannot hold are told as near as it can', () => {
  const { done } = reports
  const counts = { matched: 1, acted: 1, skipped: 0, failed: 0, held: 0 }
  const types = { 'a\u0000b\ud800c\n"d"': counts, 'x\ufffe\u{1f697}': counts }
  const xml = junitXml({ ...done!, rules: [{ ...done!.rules[0]!, types }] })
  assert.ok(xml.includes('name="a\ufffdb\ufffdc&#10;&quot;d&quot;"'), xml)
  assert.ok(xml.includes('name="x\ufffd\u{1f697}"'), xml)
})
