// SPDX-License-Identifier: Apache-2.0

import * as http from 'node:http'
import * as https from 'node:https'
import { gatewayURL } from './environment.js'
import { GatewayError } from './errors.js'

/** An answer with more is not weir's. */
const maxAnswer = 16 << 20 // 16 MiB

/** What to ask of weir's HTTP API. */
export interface Question {
  method: 'GET' | 'POST'
  /** below the base URL, with a slash at its beginning */
  path: string
  body?: unknown
  timeoutMs: number
  /** false lets Node end meanwhile */
  keepAlive: boolean
}

export interface Answer {
  /** what was asked, without user and password */
  url: string
  status: number
  text: string
}

/** Asks weir. Rejects with a GatewayError when there is no whole answer in time. */
export async function askGateway(question: Question): Promise<Answer> {
  const url = gatewayURL() + question.path
  try {
    return await exchange(url, question)
  } catch (error) {
    const reason = error instanceof Error ? error.message || String(error) : String(error)
    throw new GatewayError(withoutCredentials(url), `weir did not answer (${reason})`, { cause: error })
  }
}

function withoutCredentials(url: string): string {
  const shown = new URL(url)
  shown.username = shown.password = ''
  return shown.href
}

/** The answer's JSON, if its status is 200. */
export function content(answer: Answer): unknown {
  const { url, status, text } = answer
  if (status !== 200)
    throw new GatewayError(url, `weir answered ${status}: ${text.trim().slice(0, 200)}`, { status })
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new GatewayError(url, 'what answers is not weir, as it sends no JSON', { cause, status })
  }
}

// Not fetch: frameworks replace it with one that caches, and its sockets cannot be unref'd.
function exchange(url: string, { method, body, timeoutMs, keepAlive }: Question): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const module = url.startsWith('https:') ? https : http
    const headers = { accept: 'application/json', 'content-type': 'application/json' }
    const request = module.request(url, { method, headers, agent: false })
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    if (!keepAlive) {
      timer.unref()
      request.on('socket', (socket) => socket.unref())
    }
    request.on('close', () => clearTimeout(timer))
    request.on('error', reject)
    request.on('response', (response) => {
      read(response).then(
        (text) => resolve({ url: withoutCredentials(url), status: response.statusCode ?? 0, text }),
        reject,
      )
    })
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

async function read(response: http.IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk as string
    if (text.length > maxAnswer) throw new Error('the answer is longer than 16 MiB')
  }
  return text
}
