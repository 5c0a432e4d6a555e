#pragma once

#include <string_view>

namespace atrium::model {

/// The prompt that a 270M base model understands: a scripted dialogue in the language of the last question, which it
/// continues. Measured: Gemma's own instruction template only makes it echo the question (docs: catalog/README.md).
inline constexpr std::string_view kFewShotDialogue = R"jinja({%- set last = namespace(text='', system='') -%}
{%- for message in messages -%}
{%- if message.role == 'user' -%}{%- set last.text = message.content -%}{%- endif -%}
{%- if message.role == 'system' -%}{%- set last.system = last.system ~ message.content ~ '\n' -%}{%- endif -%}
{%- endfor -%}
{%- set script = namespace(zh=false) -%}
{%- for mark in ['的', '是', '了', '吗', '呢', '什', '么', '谁', '哪', '怎', '几', '多', '有', '在', '我', '你', '请', '？', '。', '，', '！', '不', '用', '把', '为', '写', '给', '好'] -%}
{%- if mark in last.text -%}{%- set script.zh = true -%}{%- endif -%}
{%- endfor -%}
{%- if script.zh -%}
{%- set user = '用户：' -%}{%- set assistant = '助手：' -%}
{%- else -%}
{%- set user = 'User: ' -%}{%- set assistant = 'Assistant: ' -%}
{%- endif -%}
{%- if last.system | length > 0 -%}
{{- last.system + '\n' -}}
{%- elif script.zh -%}
{{- '以下是用户和助手的对话。助手很友好，用一两句话准确地回答每个问题。\n\n' -}}
{%- else -%}
{{- 'A conversation between a user and an assistant. The assistant is friendly and answers every question correctly in one or two short sentences.\n\n' -}}
{%- endif -%}
{%- if last.system | length < 200 -%}
{%- if script.zh -%}
{{- '用户：谢谢！\n助手：不客气！\n\n用户：你好！\n助手：你好！有什么可以帮您？\n\n用户：怎么泡茶？\n助手：先把水烧开，再把热水倒在茶叶上，等三分钟就可以喝了。\n\n用户：《红楼梦》是谁写的？\n助手：《红楼梦》是曹雪芹写的。\n\n用户：中国的首都是哪里？\n助手：中国的首都是北京。\n\n用户：法国的首都是哪里？\n助手：法国的首都是巴黎。\n\n用户：你好，你是谁？\n助手：我是人工智能助手。\n\n' -}}
{%- else -%}
{{- 'User: Hello!\nAssistant: Hello! How can I help you?\n\nUser: Who are you?\nAssistant: I am a small language model. I can answer short questions.\n\nUser: What is the capital of France?\nAssistant: The capital of France is Paris.\n\nUser: Who painted the Mona Lisa?\nAssistant: The Mona Lisa was painted by Leonardo da Vinci.\n\nUser: How do I make tea?\nAssistant: Boil some water, pour it over the tea leaves, and wait three minutes before you drink it.\n\nUser: Thanks!\nAssistant: You are welcome!\n\n' -}}
{%- endif -%}
{%- endif -%}
{%- for message in messages -%}
{%- if message.role == 'user' -%}
{{- user + message.content + '\n' -}}
{%- elif message.role == 'assistant' -%}
{{- assistant + message.content + '\n\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- assistant | trim -}}{%- endif -%}
)jinja";

}  // namespace atrium::model
