"""LangChain: single and batched chats, structured output, and embeddings in several requests."""

import os

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

BASE = {"base_url": os.environ["BASE_URL"] + "/v1", "api_key": os.environ["API_KEY"]}


class Mood(BaseModel):
    """The mood of a text."""

    mood: str


chat = ChatOpenAI(model=os.environ["MODEL"], **BASE)
answer = chat.invoke([SystemMessage("Answer in a word."), HumanMessage("Is the pump quiet?")])
assert answer.content, answer
assert answer.usage_metadata["total_tokens"] > 0, answer.usage_metadata

answers = chat.batch([f"What does text {n} say?" for n in range(25)], config={"max_concurrency": 25})
assert len(answers) == 25 and all(answer.content for answer in answers), answers

streamed = list(chat.stream("Is the pump quiet?"))
assert "".join(chunk.content for chunk in streamed), streamed

mood = chat.with_structured_output(Mood, method="json_schema").invoke("The pump is wonderful.")
assert isinstance(mood, Mood) and mood.mood, mood

# Texts are sent as they are: token ids would need a download of the vocabulary.
embeddings = OpenAIEmbeddings(model="simulated-embedding", check_embedding_ctx_length=False, chunk_size=8, **BASE)
vectors = embeddings.embed_documents([f"text {n}" for n in range(20)])
assert len(vectors) == 20 and len({len(vector) for vector in vectors}) == 1, [len(vector) for vector in vectors]
assert vectors[0] != vectors[1]
assert embeddings.embed_query("text 3") == vectors[3]
