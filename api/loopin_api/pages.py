"""Lists that are answered a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Generic, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from loopin_api.errors import ApiError

Row = TypeVar("Row", bound=BaseModel)

MAX_PAGE_SIZE: Final = 100
MAX_PAGE: Final = 100_000


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for; ``number`` counts from 1."""

    number: int
    size: int
    request: Request

    @property
    def offset(self) -> int:
        """How many items come before it."""
        return (self.number - 1) * self.size

    def links(self, count: int) -> tuple[str | None, str | None]:
        """Addresses of the next and the previous page, relative to the host; None where there is none."""
        following = self._link(self.number + 1) if self.offset + self.size < count else None
        return following, self._link(self.number - 1) if self.number > 1 else None

    def check(self, count: int) -> None:
        """404 for a page beyond the last."""
        if self.number > 1 and self.offset >= count:
            raise ApiError(404, "UNKNOWN_PAGE", "There is no such page; follow next from the first one.")

    def _link(self, number: int) -> str:
        url = self.request.url.include_query_params(page=number)
        return f"{url.path}?{url.query}"


class Listed(BaseModel, Generic[Row]):
    """A page of document C's rows."""

    count: int = Field(description="Rows on all pages, count.")
    next: str | None = Field(
        description="Address of the next page, relative to the host; null after the last."
    )
    previous: str | None = Field(description="The same of the page before; null on the first.")
    results: list[Row] = Field(description="The rows of this page.")


def listed(page: Page, count: int, rows: Sequence[Row]) -> Listed[Row]:
    """A page of rows.

    Raises:
        ApiError: 404, there is no such page.
    """
    page.check(count)
    following, previous = page.links(count)
    return Listed(count=count, next=following, previous=previous, results=list(rows))


def _page(
    request: Request,
    page: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Which page, from 1 on.")] = 1,
    page_size: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Items on a page.")] = 20,
) -> Page:
    return Page(page, page_size, request)


Paged = Annotated[Page, Depends(_page)]
