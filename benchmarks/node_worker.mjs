// Measure npm's eventsource-parser, with JSON.parse for chunks, in a process of its own.
// A question is a line of JSON and then so many bytes; an answer is a line of JSON.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { performance } from 'node:perf_hooks'
import { join } from 'node:path'

const folder = process.argv[2]
const { createParser } = createRequire(join(folder, 'from.cjs'))('eventsource-parser')
const path = join(folder, 'node_modules', 'eventsource-parser', 'package.json')
const { version } = JSON.parse(readFileSync(path, 'utf8'))

// The compiler of Node watches code run before it compiles it for good.
const WARM_UPS = 3

function parse(feeds, onEvent) {
  const decoder = new TextDecoder()
  const parser = createParser({ onEvent })
  for (const piece of feeds) parser.feed(decoder.decode(piece, { stream: true }))
}

const WORKS = {
  events(feeds) {
    let seen = 0
    parse(feeds, () => { seen += 1 })
    return seen
  },
  chunks(feeds) {
    const chunks = []
    parse(feeds, (event) => {
      if (event.data !== '[DONE]') chunks.push(JSON.parse(event.data))
    })
    return chunks.length
  },
}

let work = 'events'
let feeds = []

function run() {
  globalThis.gc?.()
  const used = process.cpuUsage()
  const start = performance.now()
  try {
    const outcome = WORKS[work](feeds)
    const clock = (performance.now() - start) / 1e3
    const { user, system } = process.cpuUsage(used)
    // The processor's time counts Node's helping threads too, the clock's what else runs here:
    // the less of both is the nearest to the work's own.
    return { seconds: Math.min(clock, (user + system) / 1e6), outcome }
  } catch (error) {
    return { error: error.name }
  }
}

function take(question, body) {
  work = question.work
  feeds = []
  let at = 0
  for (const length of question.lengths) {
    feeds.push(new Uint8Array(body.subarray(at, at + length)))
    at += length
  }
  for (let count = 0; count < WARM_UPS; count += 1) run()
  return {}
}

function answer(question, body) {
  if (question.ask === 'about') return { node: process.versions.node, version }
  return question.ask === 'take' ? take(question, body) : run()
}

let pending = Buffer.alloc(0)
let parts = []
let held = 0
let question = null

function answerAll() {
  for (;;) {
    if (question === null) {
      pending = Buffer.concat([pending, ...parts])
      parts = []
      const end = pending.indexOf(10)
      if (end < 0) return
      question = JSON.parse(pending.subarray(0, end).toString())
      pending = pending.subarray(end + 1)
      held = pending.length
    }
    if (held < question.bytes) return
    const all = Buffer.concat([pending, ...parts])
    const said = answer(question, all.subarray(0, question.bytes))
    pending = all.subarray(question.bytes)
    parts = []
    held = pending.length
    question = null
    process.stdout.write(JSON.stringify(said) + '\n')
  }
}

process.stdin.on('data', (piece) => {
  parts.push(piece)
  held += piece.length
  answerAll()
})
