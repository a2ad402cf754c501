"""The templates with which chat programs ask something beside a chat, by their outer forms.

Each is recognised by its instruction together with its block of history, so that a text which only
quotes an instruction is not taken for one.
"""

from codara.http.openai.aside_forms import Template, TextForm


def _task(*instructions: str, end: str = "</chat_history>") -> TextForm:
    """Open WebUI's form: a task, and the last messages in a block of their own."""
    heads = tuple(f"### Task: {instruction}" for instruction in instructions)
    return TextForm(head=heads, marks=("<chat_history>", "</chat_history>"), end=end)


def _quoted(head: str, *marks: str) -> TextForm:
    """RikkaHub's form: an instruction about the block of history that follows it."""
    return TextForm(head=head, marks=(*marks, "<content>"), end="</content>")


def _emoji_title(of: str, *marks: str, end: str = "") -> TextForm:
    """Open WebUI's titles of 2024."""
    head = f"Create a concise, 3-5 word title with an emoji as a title for the {of}"
    return TextForm(head=head, marks=("Examples of titles:", *marks), end=end)


_SPEAKERS = TextForm(head=("user:", "assistant:", "system:"))
_ONE_EXCHANGE = ("||>User:", "||>Response:")
_FENCE = "```"
_REPHRASED = TextForm(
    head="You are an AI question rephraser.",
    marks=("<conversation>", "</conversation>"),
    end="Rephrased question:",
)
_SUMMED_UP = (
    "You are an assistant skilled in conversation who needs to summarize user conversations",
    "You are an assistant skilled in conversation. You need to summarize the user's conversation",
    "Summarize the conversation into a title",
    "你是一名擅长会话的助理\uff0c你需要将用户的会话总结为",
    "总结给出的会话\uff0c将其总结为",
)

IN_ONE_MESSAGE = (
    Template(
        name="open-webui-title",
        user=_task("Generate a concise, 3-5 word title", "Generate a concise title"),
    ),
    Template(name="open-webui-tags", user=_task("Generate 1-3 broad tags")),
    Template(name="open-webui-follow-ups", user=_task("Suggest 3-5 relevant follow-up questions")),
    Template(
        name="open-webui-query",
        user=_task(
            "Analyze the chat history to determine the necessity of generating search queries",
            "Based on the chat history, determine whether a search is necessary",
        ),
    ),
    Template(
        name="open-webui-image-prompt",
        user=_task(
            "Generate a detailed prompt for am image generation task",
            "Generate a detailed prompt for an image generation task",
        ),
    ),
    Template(
        name="open-webui-autocomplete",
        user=_task("You are an autocompletion system.", end="</text> #### Output:"),
    ),
    Template(
        name="open-webui-emoji",
        user=TextForm(
            head="Your task is to reflect the speaker's likely facial expression",
            marks=("Message:", _FENCE, _FENCE),
            end=_FENCE,
        ),
    ),
    Template(
        name="open-webui-merge",
        user=TextForm(
            head="You have been provided with a set of responses from various models",
            marks=("Responses from models:",),
        ),
    ),
    Template(
        name="open-webui-title-2024",
        user=_emoji_title("chat history", "<chat_history>", end="</chat_history>"),
    ),
    Template(
        name="open-webui-title-of-prompt",
        user=_emoji_title("prompt", "Prompt:"),
    ),
    Template(
        name="open-webui-title-of-query",
        user=TextForm(
            head="Here is the query:",
            marks=("Create a concise, 3-5 word phrase", "previous query", "Examples of titles:"),
        ),
    ),
    Template(
        name="open-webui-query-2024",
        user=TextForm(
            head="Assess the need for a web search based on the current question",
            marks=("Current Question:", "Interaction History:"),
        ),
    ),
    Template(
        name="librechat-title",
        user=TextForm(
            head="Provide a concise, 5-word-or-less title for the conversation,",
            marks=("return the title itself", "Conversation:"),
        ),
    ),
    Template(
        name="librechat-title-and-language",
        user=TextForm(
            head="Analyze this conversation and provide: 1. The detected language",
            marks=("A concise title in the detected language", "User:"),
        ),
    ),
    Template(
        name="librechat-title-of-assistant",
        user=TextForm(
            head="Please generate a concise title (max 40 characters) for a conversation",
            marks=("User:", "Assistant:"),
            end="Title:",
        ),
    ),
    Template(
        name="librechat-title-2024",
        user=TextForm(
            head=(
                "Please generate a concise, 5-word-or-less title for the conversation",
                "Detect user language and write in the same language an extremely concise title",
            ),
            marks=_ONE_EXCHANGE,
            end="||>Title:",
        ),
    ),
    Template(
        name="chatbox-title",
        user=TextForm(
            head="Based on the chat history, give this conversation a",
            marks=("Here's the conversation:", _FENCE, _FENCE),
            end=("The name is:", "The title is:"),
        ),
    ),
    Template(name="cherry-studio-query", user=_REPHRASED),
    Template(
        name="rikkahub-title",
        user=_quoted("I will give you some dialogue content in the `<content>` block.", "block."),
    ),
    Template(
        name="rikkahub-follow-ups",
        user=_quoted("I will provide you with some chat content in the `<content>` block", "block"),
    ),
    Template(
        name="continue-title",
        user=TextForm(
            head="Given the following... please reply with a title for the chat",
            marks=("you don't need ending punctuation",),
        ),
    ),
)

WITH_RULES = (
    Template(
        name="open-webui-tools",
        rules=TextForm(head="Available Tools:", marks=("return the correct tool(s)", "tool_calls")),
        user=TextForm(head=("Query:", "History:")),
    ),
    Template(
        name="librechat-title-in-language",
        rules=TextForm(
            head="Write a concise title for this conversation in the given language.",
            marks=_ONE_EXCHANGE,
        ),
        user=TextForm(head="Language:"),
    ),
    Template(
        name="lobechat-title",
        rules=TextForm(
            head="You are a professional conversation summarizer. Generate a concise title"
        ),
        user=_SPEAKERS,
    ),
    Template(
        name="lobechat-title-2024",
        rules=TextForm(head=_SUMMED_UP),
        user=_SPEAKERS,
    ),
    Template(
        name="lobechat-summary",
        rules=TextForm(head="You're an assistant who's good at extracting key takeaways"),
        user=TextForm(
            head="<chat_history>",
            marks=("</chat_history>", "Please summarize the above conversation"),
        ),
    ),
    Template(
        name="cherry-studio-title",
        rules=TextForm(head=_SUMMED_UP),
        user=TextForm(head='[{"role":', marks=('"mainText":',), end="]"),
    ),
    Template(
        name="cherry-studio-title-2024",
        rules=TextForm(head=_SUMMED_UP),
        user=TextForm(head=("User:", "Assistant:")),
    ),
    Template(name="cherry-studio-query-in-rules", rules=_REPHRASED),
    Template(
        name="big-agi-title",
        rules=TextForm(head="You are an AI conversation titles assistant"),
        user=TextForm(
            head="Analyze the given short conversation (every line is truncated)",
            marks=(_FENCE, _FENCE),
            end=_FENCE,
        ),
    ),
    Template(
        name="chat-ui-title",
        rules=TextForm(head="You are a chat thread titling assistant."),
        user=TextForm(head='User message: "', end='"'),
    ),
    Template(
        name="copilot-title",
        rules=TextForm(
            head="You are an expert in crafting pithy titles for chatbot conversations."
        ),
        user=TextForm(head="Please write a brief title for the following request:"),
    ),
    Template(
        name="goose-title",
        rules=TextForm(head="Generate a short title (four words or less) that describes the topic"),
        user=TextForm(
            marks=("---BEGIN USER MESSAGES---", "---END USER MESSAGES---"),
            end="Generate a short title for the above messages.",
        ),
    ),
    Template(
        name="opencode-title",
        rules=TextForm(head="You are a title generator. You output ONLY a thread title"),
        user=TextForm(head="Generate a title for this conversation:"),
    ),
)

AFTER_THE_CHAT = (
    Template(
        name="nextchat-title",
        user=TextForm(
            head=(
                "Please generate a four to five word title summarizing our conversation",
                "使用四到五个字直接返回这句话的简要主题",
            )
        ),
    ),
    Template(
        name="nextchat-summary",
        user=TextForm(
            head=(
                "Summarize the discussion briefly in 200 words or less",
                "简要总结一下对话内容",
            )
        ),
    ),
    Template(
        name="zed-title",
        user=TextForm(head="Generate a concise 3-7 word title for this conversation,"),
    ),
)
"""Asked at the end of the chat's own messages, which are the history."""
